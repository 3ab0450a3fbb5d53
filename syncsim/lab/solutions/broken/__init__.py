"""Classic mistakes, one small file each; the first line names what each must lose."""
