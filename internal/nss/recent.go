package nss

import (
	"strings"
	"sync"
	"time"
)

const (
	// fresh is how long an answer of getent about a number is used again: an emperor that starts
	// many vassals asks the same question many times.
	fresh = time.Second
	// mostAnswers limits the answers that are remembered.
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
