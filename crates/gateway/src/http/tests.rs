mod api;
mod connections;
mod pages;
