"""ACE-Step's own files -> specs. They are not trusted: nothing in them is run, none names a file outside its folder."""
