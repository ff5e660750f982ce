package golangci_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/golangci/plugin-module-register/register"
	"go.uber.org/goleak"

	_ "github.com/asyncio-go/asyncio/asyncvet/golangci"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestThePluginIsRegisteredAndReadsItsSettings(t *testing.T) {
	newPlugin, err := register.GetPlugin("asyncvet")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		settings any
		want     string
	}{
		{nil, "background blocking callback directive goroutine mutex swallow"},
		{
			map[string]any{"enable": []string{"channel"}, "disable": []string{"swallow"}},
			"background blocking callback channel directive goroutine mutex",
		},
	} {
		plugin, err := newPlugin(c.settings)
		if err != nil {
			t.Fatal(err)
		}
		if mode := plugin.GetLoadMode(); mode != register.LoadModeTypesInfo {
			t.Errorf("load mode %s, and the rules need types", mode)
		}
		rules, err := plugin.BuildAnalyzers()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, rule := range rules {
			got = append(got, rule.Name)
		}
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%v: rules %q, want %s", c.settings, got, c.want)
		}
	}
}

func TestWrongSettingsAreErrors(t *testing.T) {
	newPlugin, err := register.GetPlugin("asyncvet")
	if err != nil {
		t.Fatal(err)
	}
	for want, settings := range map[string]any{
		"unknown field":    map[string]any{"enabled": []string{"channel"}},
		"no rule":          map[string]any{"enable": []string{"chanel"}},
		"both on and off":  map[string]any{"enable": []string{"sim"}, "disable": []string{"sim"}},
		"cannot unmarshal": map[string]any{"enable": 1},
	} {
		if _, err := newPlugin(settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want an error with %q", settings, err, want)
		}
	}
}
