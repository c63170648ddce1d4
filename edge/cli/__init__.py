"""What people type. `main` knows the names of the commands; a command's module is imported when it is asked for."""
