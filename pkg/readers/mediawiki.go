package readers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
)

// siteinfoURL is the question for a wiki's configuration, from the URL of its
// api.php.
func siteinfoURL(api string) string {
	u, err := url.Parse(api)
	if err != nil {
		return api // not reached: it was looked at
	}
	q := u.Query()
	for k, v := range map[string]string{"action": "query", "meta": "siteinfo", "siprop": "general", "format": "json", "formatversion": "2"} {
		q.Set(k, v)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// siteinfo is what is of use in MediaWiki's answer. The index is the highest
// modifiedIndex among the keys its configuration was read from.
type siteinfo struct {
	Error struct {
		Info string `json:"info"`
	} `json:"error"`
	Query struct {
		General struct {
			Config struct {
				Index json.RawMessage `json:"wmfEtcdLastModifiedIndex"`
			} `json:"wmf-config"`
		} `json:"general"`
	} `json:"query"`
}

// parseSiteinfo returns the index in an answer of MediaWiki's.
func parseSiteinfo(text []byte) (uint64, error) {
	var s siteinfo
	if err := json.Unmarshal(text, &s); err != nil {
		return 0, errors.New("answers, but not as MediaWiki's api.php does")
	}
	index := s.Query.General.Config.Index
	switch {
	case s.Error.Info != "":
		return 0, fmt.Errorf("says: %s", printable(s.Error.Info))
	case len(index) == 0 || string(index) == "null":
		return 0, errors.New("its siteinfo has no wmf-config.wmfEtcdLastModifiedIndex")
	}
	return parseIndex(string(bytes.Trim(index, `"`)))
}
