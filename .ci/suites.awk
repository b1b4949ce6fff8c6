# Reads the output of go test -v and fails when a suite was skipped as a whole:
# a package that has tests of which none passed, or an integration suite that is
# not there.
/^--- PASS: / { passed++ }
/^--- (PASS|FAIL|SKIP): / { ran++ }
/^--- SKIP: / { skips = skips "  " $3 "\n" }
/^(ok  |FAIL)\t/ {
	package = $2
	if (package ~ /\/integration(\/|$)/ && passed) integration = 1
	if (ran && !passed && $1 == "ok") { print "no test of " package " passed; skipped:\n" skips; bad = 1 }
	passed = ran = 0
	skips = ""
}
END {
	if (!integration) { print "no test of the integration suite passed"; bad = 1 }
	exit bad
}
