"""Classic mistakes, one small file each; the first line names the codes that it must lose."""
