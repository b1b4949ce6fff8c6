package helper

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/internal/assist/direct"
)

// lookup prints the addresses of a host.
func lookup(network, name string) (code int) {
	list, err := direct.Means().Lookup(context.Background(), network, name)
	var lines bytes.Buffer
	for _, ip := range list {
		fmt.Fprintln(&lines, ip)
	}
	return answered(lines.Bytes(), err)
}

// fetch prints the page of the URL on standard input.
func fetch() (code int) {
	url, err := io.ReadAll(os.Stdin)
	if err != nil {
		return answered(nil, err)
	}
	return answered(direct.Means().Fetch(context.Background(), string(url)))
}

// match prints whether the expression on standard input matches the text.
func match() (code int) {
	var expression, text string
	if _, err := fmt.Fscanf(os.Stdin, "%q\n%q\n", &expression, &text); err != nil {
		return answered(nil, err)
	}
	ok, err := direct.Means().Match(context.Background(), expression, text)
	return answered(strconv.AppendBool(nil, ok), err)
}

// answered writes the answer to a question of package assist.
func answered(text []byte, err error) (code int) {
	if err != nil {
		text, code = []byte(err.Error()), assist.Refused
	}
	if _, err := os.Stdout.Write(text); err != nil {
		return exitFailed
	}
	return code
}
