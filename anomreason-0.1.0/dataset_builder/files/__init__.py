"""Reading files that come from anywhere: regular files only, strict JSON, archives where they are, records one by one."""
