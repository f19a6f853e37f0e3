package config

import (
	"slices"
)

// mistake is an error in the configuration, with the settings whose values are
// unknown because of it. There may be none.
type mistake struct {
	err      error
	settings []string
}

// mistaken records a mistake. It does not stop commands that do not need the
// settings: an operator who depools a host in an outage gets a warning about a
// mistake elsewhere.
func (s *Settings) mistaken(err error, settings ...string) {
	s.mistakes = append(s.mistakes, mistake{err, settings})
}

// Mistakes returns all mistakes in the configuration, in the order in which they
// were found.
func (s *Settings) Mistakes() []error {
	errs := make([]error, len(s.mistakes))
	for i, m := range s.mistakes {
		errs[i] = m.err
	}
	return errs
}

// Mistake returns the first mistake about one of the settings; nil if there is
// none.
func (s *Settings) Mistake(settings ...string) error {
	for _, m := range s.mistakes {
		if slices.ContainsFunc(m.settings, func(name string) bool { return slices.Contains(settings, name) }) {
			return m.err
		}
	}
	return nil
}

// Need returns a *NeededError if there is a mistake about a setting. What names
// the thing that needs it.
func (s *Settings) Need(setting, what string) error {
	if err := s.Mistake(setting); err != nil {
		return &NeededError{What: what, Setting: setting, Err: err}
	}
	return nil
}

// placeSettings returns the settings that decide where the objects are. After a
// mistake in one of them, a command would read and change other objects than
// those that were meant.
func placeSettings() []string {
	return []string{"driver", "namespace", "api_version", "pools_path", "driver_options"}
}
