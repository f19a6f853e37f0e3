package config

import (
	"slices"
)

// mistake is an error in the configuration, and the settings whose values are not
// known because of it. There are none if nobody knows what was meant.
type mistake struct {
	err      error
	settings []string
}

// mistaken records a mistake. It stops no command that does without the settings:
// whoever depools a host in an outage gets a warning about a typo elsewhere.
func (s *Settings) mistaken(err error, settings ...string) {
	s.mistakes = append(s.mistakes, mistake{err, settings})
}

// Mistakes returns all mistakes in the configuration, in the order they were found.
func (s *Settings) Mistakes() []error {
	errs := make([]error, len(s.mistakes))
	for i, m := range s.mistakes {
		errs[i] = m.err
	}
	return errs
}

// Mistake returns the first mistake about one of some settings; nil if there is
// none.
func (s *Settings) Mistake(settings ...string) error {
	for _, m := range s.mistakes {
		if slices.ContainsFunc(m.settings, func(name string) bool { return slices.Contains(settings, name) }) {
			return m.err
		}
	}
	return nil
}

// Need returns a *NeededError if there is a mistake about a setting, without which
// something cannot be done.
func (s *Settings) Need(setting, what string) error {
	if err := s.Mistake(setting); err != nil {
		return &NeededError{What: what, Setting: setting, Err: err}
	}
	return nil
}

// placeSettings are the settings that say where the objects are. With a mistake in
// one, a command would read and change objects other than those that are meant.
func placeSettings() []string {
	return []string{"driver", "namespace", "api_version", "pools_path", "driver_options"}
}
