package config

import (
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// tracePath is the path of OTLP for traces, which a URL without a path gets.
const tracePath = "/v1/traces"

func setTrace(e *Emperor, v option.Value) error {
	rest, plain := strings.CutPrefix(v.Text, "http://")
	rest, secure := strings.CutPrefix(rest, "https://")
	host, path, _ := strings.Cut(rest, "/")
	if plain == secure || host == "" || strings.ContainsAny(v.Text, " \t\"?#") {
		return option.Wrong(strconv.Quote(v.Text)+" is not the URL of a receiver", "such as http://127.0.0.1:4318")
	}
	if e.Trace = v.Text; path == "" {
		e.Trace = strings.TrimSuffix(v.Text, "/") + tracePath
	}
	return nil
}
