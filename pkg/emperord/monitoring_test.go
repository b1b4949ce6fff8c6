package emperord

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/metrics"
)

// The alerts are raised by each trouble, and without one there is none.
func TestAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: packages-check runs it")
	}
	for _, args := range [][]string{{"check", "rules", "emperor.rules.yml"}, {"test", "rules", "emperor.rules.test.yml"}} {
		check := exec.Command(promtool, args...)
		check.Dir = "../../contrib/monitoring"
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// Each metric of the alerts, the dashboard and the documents exists, and each one is documented.
func TestMetricsOfTheShippedFiles(t *testing.T) {
	named := regexp.MustCompile(`emperor_[a-z_]+[a-z]`)
	all, err := metrics.New(&control.Meter{}, newNetworkMetrics(), &failures{})
	if err != nil {
		t.Fatal(err)
	}
	exist := map[string]bool{}
	described := make(chan *prometheus.Desc, 200)
	all.Describe(described)
	close(described)
	for d := range described {
		if name := named.FindString(d.String()); name != "" { // others are of Go
			exist[name] = true
		}
	}
	documented := map[string]bool{}
	for _, path := range []string{"contrib/monitoring/emperor.rules.yml", "contrib/monitoring/emperor.rules.test.yml", "contrib/monitoring/grafana.json", "docs/control.md", "docs/network.md"} {
		text, err := os.ReadFile("../../" + path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range named.FindAllString(string(text), -1) {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				name = strings.TrimSuffix(name, suffix)
			}
			if !exist[name] {
				t.Errorf("%s: there is no %s", path, name)
			}
			if strings.HasPrefix(path, "docs/") {
				documented[name] = true
			}
		}
	}
	for name := range exist {
		if !documented[name] {
			t.Errorf("docs/control.md and docs/network.md do not have %s", name)
		}
	}
}
