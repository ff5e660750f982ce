// Package golangci makes asyncvet a module plugin of golangci-lint: a
// golangci-lint that is built with it has a linter asyncvet.
//
// Its settings turn rules on and off by their names:
//
//	enable: [channel, sim]
//	disable: [swallow]
package golangci

import (
	"fmt"

	"github.com/golangci/plugin-module-register/register"
	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet"
)

func init() { register.Plugin("asyncvet", New) }

// Settings are what golangci-lint's configuration says under the linter's name.
type Settings struct {
	Enable  []string `json:"enable"`  // rules that are off otherwise
	Disable []string `json:"disable"` // rules that are on otherwise
}

// New makes the linter of its settings. It returns an error for settings that it
// does not know, and for names that no rule has.
func New(settings any) (register.LinterPlugin, error) {
	decoded, err := register.DecodeSettings[Settings](settings)
	if err != nil {
		return nil, fmt.Errorf("asyncvet: settings: %w", err)
	}
	rules, err := asyncvet.Select(decoded.Enable, decoded.Disable)
	if err != nil {
		return nil, err
	}
	return linter(rules), nil
}

type linter []*analysis.Analyzer

func (l linter) BuildAnalyzers() ([]*analysis.Analyzer, error) { return l, nil }

func (linter) GetLoadMode() string { return register.LoadModeTypesInfo }
