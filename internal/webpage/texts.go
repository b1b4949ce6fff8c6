package webpage

import (
	"html/template"
	"sync"
	"time"

	"github.com/emperor-go/emperor/internal/readable"
)

// texts keeps the text of each row of the table, for pages that show it again: most rows are equal from one
// page to the next. The zero value is ready to use.
type texts struct {
	mu   sync.Mutex
	list map[string]rowText
}

// rowText is the text of a row, and all that it is made of.
type rowText struct {
	row  row
	age  string
	text template.HTML
}

// of returns the text of a row, which render makes when it is not there.
func (t *texts) of(r row, render func() (template.HTML, error)) (template.HTML, error) {
	is := rowText{row: r, age: readable.Age(r.Since, time.Now())}
	t.mu.Lock()
	before := t.list[r.ID]
	t.mu.Unlock()
	if is.text = before.text; is == before && is.text != "" {
		return is.text, nil
	}
	text, err := render()
	if err != nil {
		return "", err
	}
	is.text = text
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list[r.ID] = is
	return text, nil
}

// tidy forgets all rows when most are of vassals that are gone.
func (t *texts) tidy(vassals int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.list == nil || len(t.list) > 2*vassals {
		t.list = map[string]rowText{}
	}
}
