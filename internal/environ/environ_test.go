package environ

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestAdopt(t *testing.T) {
	for _, key := range []string{"A", "B", "C", "D", "E"} {
		t.Setenv(key, "before")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"D": "", "FROM_DIR": "first \nsecond", ".hidden": "x", "E": "before\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Unsetenv("NEW"); os.Unsetenv("FROM_DIR") })
	names, err := Adopt([]Change{
		{Kind: "set", Key: "A", Value: "after"},
		{Kind: "set", Key: "B", Value: "before"},
		{Kind: "unset", Key: "C"},
		{Kind: "set", Key: "NEW", Value: "a=b"},
		{Kind: "set", Key: "GONE", Value: "x"},
		{Kind: "unset", Key: "GONE"},
		{Kind: "dir", Key: dir},
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if want := []string{"A", "B", "FROM_DIR", "NEW"}; !slices.Equal(slices.Compact(names), want) {
		t.Errorf("set are %q, want %q", names, want)
	}
	_, c := os.LookupEnv("C")
	_, d := os.LookupEnv("D")
	_, gone := os.LookupEnv("GONE")
	if os.Getenv("A") != "after" || os.Getenv("NEW") != "a=b" || os.Getenv("FROM_DIR") != "first" || c || d || gone {
		t.Errorf("the environment is %q", os.Environ())
	}
	if _, err := Adopt([]Change{{Kind: "dir", Key: dir + "/none"}}); err == nil {
		t.Error("a directory that is not there is no error")
	}
}
