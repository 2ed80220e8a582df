"""`wavetank list`: list.py has its options and text, inventory.py what there is to choose from."""
