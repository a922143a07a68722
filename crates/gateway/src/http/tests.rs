mod api;
mod connections;
mod pages;
mod private_rooms;
mod rooms;
