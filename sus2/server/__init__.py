"""Starting the app's server, its headers and limits."""
