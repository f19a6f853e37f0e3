package cli

import (
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/term"
)

// mistakes are what is wrong with the settings and yet stops no command that does
// without the setting: for whoever takes a host out in an outage, a word that is
// mistyped somewhere else is a warning.
type mistakes []mistake

// mistake is one, and the settings whose values are not known because of it; there
// are none of a setting that nobody knows.
type mistake struct {
	err      error
	settings []string
}

// mistaken notes a mistake.
func (s *settings) mistaken(err error, of ...string) {
	s.mistakes = append(s.mistakes, mistake{err, of})
}

// of returns the first mistake about one of some settings; nil if there is none.
func (m mistakes) of(settings ...string) error {
	for _, one := range m {
		if slices.ContainsFunc(one.settings, func(name string) bool { return slices.Contains(settings, name) }) {
			return one.err
		}
	}
	return nil
}

// warn tells of all mistakes.
func (m mistakes) warn(std term.Streams) {
	for _, one := range m {
		std.Warn(one.err.Error())
	}
}

// placeSettings are the settings that say where the objects are. With a wrong one
// a command would read and change others than those that are meant.
func placeSettings() []string {
	return []string{"driver", "namespace", "api_version", "pools_path", "driver_options"}
}

// needed returns the settings in which a mistake stops the command, beside those
// that say where the objects are. With a tcpircbot_port that is no number the Python
// tool stops, and scripts may rely on that; in an outage nobody does.
func (g *globals) needed() []string {
	if g.terms.gone || g.terms.emergency || g.mends {
		return g.needs
	}
	return append([]string{"tcpircbot_port"}, g.needs...)
}

// need returns an error if a command cannot do without a setting that has a
// mistake. The mistake itself has been a warning already.
func (s *settings) need(setting, what string) error {
	if err := s.mistakes.of(setting); err != nil {
		return &neededError{what + " needs the setting " + setting + ", which has the mistake above", err}
	}
	return nil
}

// neededError reports that a command needs a setting that has a mistake.
type neededError struct {
	msg string
	err error
}

func (e *neededError) Error() string { return e.msg }

// Unwrap returns the mistake, which says how to mend it.
func (e *neededError) Unwrap() error { return e.err }

// explainNeeded ends a command as the mistake would.
func explainNeeded(e *neededError, err error) (code int, msg, hint string) {
	code, _, hint = explain(e.err)
	return code, e.msg, strings.TrimLeft(nothingWritten(err)+"\n"+hint, "\n")
}
