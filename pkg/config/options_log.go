package config

import (
	"path/filepath"
	"strconv"
)

// vassalLogOptions say where what a vassal prints goes. The emperor opens it.
func vassalLogOptions() table[Vassal] {
	return table[Vassal]{
		{name: "log", group: "Logging", arg: "FILE|journal", help: "where what the vassal prints goes, instead of the emperor's log", set: setLogTo},
	}
}

func setLogTo(v *Vassal, t value) error {
	if t.text != "journal" && !filepath.IsAbs(t.text) {
		return hinted{strconv.Quote(t.text) + " is no place for a log", "the path of a file from /, or journal"}
	}
	v.LogTo = t.text
	return nil
}
