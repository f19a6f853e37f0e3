package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// load loads a configuration of two files.
func load(t *testing.T, shared, own string) (*Settings, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"config.yaml": shared, "confctl.yaml": own} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(Options{File: filepath.Join(dir, "config.yaml"), Formats: []string{"json", "table"}, Account: account.Self()})
}

// TestMistakes: a mistake in a setting leaves its default, and is reported for
// that setting only.
func TestMistakes(t *testing.T) {
	s, err := load(t, "driver: local\ntcpircbot_host: bot\ntcpircbot_port: 0\n", "timeout: soon\nsafety_mod: off\noutput: tabel\ncolour: red\n")
	if err != nil {
		t.Fatal(err)
	}
	if s.Driver != "local" || s.Timeout != 5*time.Second || s.SafetyMode != safety.Refuse || s.Output != "" {
		t.Errorf("%+v", s)
	}
	for setting, want := range map[string]string{
		"timeout": `timeout cannot be "soon"`, "safety_mode": `no setting "safety_mod" in this file (did you mean safety_mode?)`,
		"output": `output cannot be "tabel"`, "driver": "", "sal": "",
	} {
		err := s.Mistake(setting)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", setting, err, want)
		}
		if needed := s.Need(setting, "a test"); !errors.Is(needed, err) {
			t.Errorf("%s: %v does not wrap %v", setting, needed, err)
		}
	}
	if got := len(s.Mistakes()); got != 5 {
		t.Errorf("%d mistakes: %v", got, s.Mistakes())
	}
	if len(s.Sinks) != 1 || s.Sinks[0].Name() != "tcpircbot" {
		t.Errorf("the bot with a mistake is not among the sinks: %v", s.Sinks)
	}
}

// TestEnvironment: a variable sets a setting that it may set, and is a mistake
// otherwise.
func TestEnvironment(t *testing.T) {
	for _, c := range []struct {
		variable, text string
		setting        string // the setting with a mistake; empty if the value is valid
		reason         Reason
		fails          bool
	}{
		{"CONFCTL_TIMEOUT", "7s", "", 0, false},
		{"CONFCTL_TIMEOUT", "7", "timeout", Invalid, false},
		{"CONFCTL_SAFETY_MODE", "enforce", "", 0, false},
		{"CONFCTL_SAFETY_MODE", "off", "safety_mode", Looser, false},
		{"CONFCTL_SAFETY_MODE", "on", "safety_mode", Invalid, false},
		{"CONFCTL_SAL", "[]", "sal", OnlyInFiles, false},
		{"CONFCTL_NAMESPACE", "/other", "namespace", OnlyInFiles, true},
		{"CONFCTL_DRIVER", "sqlite", "driver", Invalid, true},
		{"CONFCTL_API_VERSION", "..", "namespace", Invalid, true},
	} {
		t.Run(c.variable+"="+c.text, func(t *testing.T) {
			t.Setenv(c.variable, c.text)
			s, err := load(t, "driver: local\n", "safety_mode: warn\n")
			if (err != nil) != c.fails {
				t.Fatal(err)
			}
			if s != nil && len(s.Mistakes()) > 0 {
				err = s.Mistakes()[0]
			}
			var e *Error
			switch errors.As(err, &e) {
			case false:
				if c.setting != "" || err != nil {
					t.Errorf("%v, want an error about %q", err, c.setting)
				}
			case true:
				if e.Setting != c.setting || e.Reason != c.reason {
					t.Errorf("%+v, want %s and reason %d", e, c.setting, c.reason)
				}
			}
		})
	}
}

// TestPlaceOfMistake: a mistake about where the objects are is an error with a
// position in the file.
func TestPlaceOfMistake(t *testing.T) {
	_, err := load(t, "driver: local\nnamespce: /x\n", "")
	var at *yamldoc.Error
	if !errors.As(err, &at) || at.Pos.Line != 2 || filepath.Base(at.Pos.File) != "config.yaml" {
		t.Errorf("%v, want a mistake in line 2 of config.yaml", err)
	}
	_, err = Load(Options{File: filepath.Join(t.TempDir(), "none"), Account: account.Self()})
	var missing *FileError
	if !errors.As(err, &missing) || missing.Kind != "configuration" {
		t.Errorf("%v, want a *FileError", err)
	}
}
