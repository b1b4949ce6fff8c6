package nss

import (
	"os"
	"strings"
	"sync"
	"time"

	"github.com/emperor-go/emperor/internal/revision"
)

const (
	// fresh is how long an answer of getent about a number is used again: an emperor that starts
	// many vassals asks the same question many times.
	fresh = time.Second
	// mostAnswers limits the answers that are remembered, of getent and of the files.
	mostAnswers = 4096
)

// answer is an answer of getent. Its lock is held while getent runs, so that one call serves all that
// ask the same question meanwhile.
type answer struct {
	sync.Mutex
	line string
	err  error
	at   time.Time
}

// answers are the answers about numbers, by database and key.
var answers = struct {
	sync.Mutex
	of map[[2]string]*answer
}{of: map[[2]string]*answer{}}

// asked is getent, whose answers about numbers are remembered. A name is asked for each time: without
// an entry a vassal does not start, and an entry that was just made counts.
func asked(database, key string) (string, error) {
	if strings.Trim(key, "0123456789") != "" {
		return getent(database, key)
	}
	answers.Lock()
	a := answers.of[[2]string{database, key}]
	if a == nil {
		if len(answers.of) >= mostAnswers {
			clear(answers.of)
		}
		a = &answer{}
		answers.of[[2]string{database, key}] = a
	}
	answers.Unlock()
	a.Lock()
	defer a.Unlock()
	if a.at.IsZero() || time.Since(a.at) >= fresh {
		a.line, a.err = getent(database, key)
		a.at = time.Now()
	}
	return a.line, a.err
}

// finding is the result of read for a revision of the file.
type finding struct {
	of      revision.Revision
	entries [][]string
}

// findings are the results of read, by path and text.
var findings = struct {
	sync.Mutex
	of map[[2]string]finding
}{of: map[[2]string]finding{}}

// entries is read, whose results are remembered until the file changes. The caller does not change the result.
func entries(path string, fields int, text string) ([][]string, error) {
	now, settled := revision.At(path)
	key := [2]string{path, text}
	findings.Lock()
	known, ok := findings.of[key]
	findings.Unlock()
	if ok && known.of == now {
		return known.entries, nil
	}
	list, err := read(path, fields, text)
	if err == nil && settled && now != (revision.Revision{}) {
		findings.Lock()
		defer findings.Unlock()
		if len(findings.of) >= mostAnswers {
			clear(findings.of)
		}
		findings.of[key] = finding{now, list}
	}
	return list, err
}

// switches is the content of nsswitch.conf(5) for a revision.
var switches struct {
	sync.Mutex
	of   revision.Revision
	text []byte
}

// switchText returns the content of nsswitch.conf(5), which is remembered until the file changes.
func switchText() ([]byte, error) {
	now, settled := revision.At(switchFile)
	switches.Lock()
	defer switches.Unlock()
	if now == switches.of && now != (revision.Revision{}) {
		return switches.text, nil
	}
	text, err := os.ReadFile(switchFile)
	if err == nil && settled {
		switches.of, switches.text = now, text
	}
	return text, err
}
