# Reads the output of go test -v and prints a line for each package with failed
# tests: the package, then a regular expression of the tests. Prints nothing for
# a failure that a second run cannot judge: a package that does not build, a
# process that died, or more tests than LIMIT.
BEGIN { if (!LIMIT) LIMIT = 3 }
/^(panic|fatal error): |^WARNING: DATA RACE/ { hopeless = 1 }
/^--- FAIL: / { tests = tests (tests == "" ? "" : "|") $3; count++ }
/^ok  \t/ { tests = "" }
/^FAIL\t/ {
	if (tests == "") hopeless = 1
	lines = lines $2 " ^(" tests ")$\n"
	tests = ""
}
END { if (!hopeless && count && count <= LIMIT) printf "%s", lines }
