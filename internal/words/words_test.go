package words

import (
	"os/exec"
	"strings"
	"testing"
)

// TestShellLines: text for a shell is found; quoted or intended text is not.
func TestShellLines(t *testing.T) {
	for line, want := range map[string][2]string{
		"cd /srv/app && exec gunicorn app":     {"&&"},
		"cat x | grep y":                       {"|"},
		"a || b":                               {"||"},
		"python3 app.py > /tmp/log 2>&1":       {">"},
		"python3 app.py 2>&1":                  {"2>&1"},
		"python3 app.py >>/tmp/log":            {">>/tmp/log"},
		"python3 app.py &>/tmp/log":            {"&>/tmp/log"},
		"sort < list":                          {"<"},
		"sleep 1; sleep 2":                     {"1;"},
		"sleep 1 ; sleep 2":                    {";"},
		"sleep 100 &":                          {"&"},
		"sleep 100&":                           {"100&"},
		"sleep 1 # here":                       {"#"},
		"node $HOME/app.js":                    {"", "$HOME/app.js"},
		"node ${HOME}/app.js":                  {"", "${HOME}/app.js"},
		"echo `hostname`":                      {"", "`hostname`"},
		"ls ~/x":                               {"", "~/x"},
		"ls a~/x '~/x' ~":                      {},
		"echo --name=$(hostname -f)":           {"", "--name=$(hostname"},
		"sleep $(SECONDS)":                     {},
		"sh -c 'a && b | c > d; $e `f` &'":     {},
		`sh -c "cd $HOME && exec a"`:           {},
		`prog \| '|' "&&" \; \$HOME \>x '#'`:   {},
		"nginx -g 'daemon off;'":               {},
		"find /tmp -name x -exec rm {} ;":      {},
		"find /tmp -exec rm {} ; -print":       {},
		"curl http://a/?b=c&d=e":               {},
		"curl http://a/?b=c&":                  {},
		"grep end$ file":                       {},
		"prog --price=5$ --cost=$5":            {},
		"prog --filter=a>b --glob=*.py #tag":   {},
		"gunicorn --forwarded-allow-ips=* a:b": {},
		"":                                     {},
	} {
		if got := [2]string{Operator(line), Expansion(line)}; got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestVariable(t *testing.T) {
	for line, want := range map[string]string{
		"FOO=bar prog": "FOO=bar", "FOO='a b' prog": "FOO='a b'", "/opt/a=b/prog x": "", "'FOO=bar' prog": "", "prog FOO=bar": "", "": "", "=x": "", "1A=b c": "",
	} {
		if got := Variable(line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// TestQuote: a shell and Split read the same word.
func TestQuote(t *testing.T) {
	for _, text := range []string{"a && b", "it's", `"$HOME" \n`, "", "plain", "`x`"} {
		out, err := exec.Command("sh", "-c", "printf %s "+Quote(text)).Output()
		if err != nil || string(out) != text {
			t.Errorf("%s: a shell gives %q, %v", text, out, err)
		}
		if list, err := Split(Quote(text)); err != nil || strings.Join(list, " ") != text {
			t.Errorf("%s: %q, %v", text, list, err)
		}
	}
}
