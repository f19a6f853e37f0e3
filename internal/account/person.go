package account

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Person returns the person who runs the process: the name that is recorded and
// announced, and the user id. If the user is root, the name comes from SUDO_USER
// if it is set. A user without a usable name is called uid-N.
func (a Account) Person() (name, id string) {
	id = strconv.Itoa(a.UID)
	if sudo := shortName(a.Getenv("SUDO_USER")); sudo != "" && a.UID == 0 {
		return sudo, id
	}
	if name = shortName(a.Login()); name == "" {
		name = "uid-" + id
	}
	return name, id
}

// shortName returns a name of at most 32 letters, digits, dots, hyphens and
// underscores. Other characters, as in alice@corp or CORP\alice, become
// underscores: an announcement names USER@HOST, and a name with an @ or a space
// could forge one. It returns an empty string if only punctuation is left.
func shortName(name string) string {
	const maxLen = 32
	word := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-", r)) {
			return r
		}
		return '_'
	}, name)
	if word = word[:min(len(word), maxLen)]; strings.Trim(word, "._-") == "" {
		return ""
	}
	return word
}
