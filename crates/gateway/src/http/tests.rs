mod api;
mod connections;
mod pages;
mod rooms;
