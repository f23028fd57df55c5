"""A potential for one crystal: structures made around it, labelled by a teacher, fitted, tried, and labelled again."""
