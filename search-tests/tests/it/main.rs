mod pairs;
mod tmp;
