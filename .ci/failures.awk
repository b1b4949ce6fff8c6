# Reads the output of go test -v and prints the failed tests only, each with its
# output, and what was printed outside of tests by packages that failed.
function forget() { delete said; delete bad; n = 0; test = ""; outside = "" }
BEGIN { forget() }
/^(=== |ok  |FAIL|---)/ { building = 0 }
/^=== (RUN|CONT|NAME) / {
	test = $3
	if (!(test in said)) { order[++n] = test; said[test] = "" }
	next
}
/^=== / { next }
/^ *--- (PASS|SKIP): / { test = $3; next }
/^ *--- FAIL: / { test = $3; bad[test] = $0; next }
/^(ok  |\?   )\t/ { forget(); next }
/^FAIL\t/ {
	printf "\n%s\n", $0
	if (outside != "") printf "%s", outside
	for (i = 1; i <= n; i++) if (order[i] in bad) printf "%s\n%s", bad[order[i]], said[order[i]]
	forget()
	next
}
/^(PASS|FAIL|coverage: .*)$/ { test = ""; next }
/^make.*\*\*\* / { print; next }
/^(panic|fatal error): / { bad[test] = "--- died: " test }
# The compiler speaks before any package does.
/^# / { building = 1 }
building { print; next }
{ if (test != "") said[test] = said[test] $0 "\n"; else outside = outside $0 "\n" }
END { if (outside != "") printf "%s", outside }
