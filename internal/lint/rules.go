package lint

import (
	"github.com/conftool/confctl/internal/readers"
	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// The rules that only this package checks, because they need both the schema and the
// data.
const (
	RuleNeverMatches   = "schema-never-matches"
	RuleSelectsNothing = "json-schema-selects-nothing"
	RuleJSONDefault    = "json-schema-default"
	RuleJSONUnused     = "json-schema-unused"
	RuleNetwork        = "schema-network"
	RuleMapped         = "json-schema-mapped"
	RuleOutside        = "file-outside"
	RuleConfig         = "file-configuration"
)

// Rule is one kind of finding.
type Rule struct {
	Name     string
	Severity Severity // the severity of its findings, unless Says mentions another
	Says     string   // what is wrong
	Advice   string   // how to correct it
}

// Rules returns every rule that a finding can have.
func Rules() []Rule {
	var all []Rule
	for _, part := range [][]Rule{fileRules(), schemaRules(), jsonSchemaRules(), safetyRules(), readerRules(), dataRules()} {
		all = append(all, part...)
	}
	return all
}

func fileRules() []Rule {
	return []Rule{
		{yamldoc.RuleUnreadable, Error, "a file or directory does not exist, cannot be read, is not a regular file, or is too large",
			"check its name and permissions; a schema may be up to 1 MiB, a data file up to 8 MiB"},
		{yamldoc.RuleSyntax, Error, "a file is not valid YAML",
			"check this line and the one before it for wrong indentation, a colon without a space after it, an unclosed quote or bracket, or a tab"},
		{yamldoc.RuleDuplicate, Error, "a map has the same key twice, so one of the two values would be lost",
			"merge the two values under one key, and remove the other key"},
		{yamldoc.RuleEscapes, Error, "a symbolic link, a path or a reference leads out of the tree under review; it is not followed",
			"move the file into the tree, or, if the file is intended, name its real path with an option"},
		{RuleOutside, Warning, "a file outside the tree under review is checked, or is used to check the tree",
			"move the file into the tree, or, if the file is intended, name its real path with an option"},
		{RuleConfig, Note, "the settings come from a configuration outside the tree under review",
			"pools_path, safety_mode and data_directory are read from it"},
	}
}

func schemaRules() []Rule {
	return []Rule{
		{schema.RuleShape, Error, "a part of the schema is not the map, list or string that is expected",
			"write it as the message says; schemas/schema.yaml in the confctl repository shows all parts"},
		{schema.RuleName, Error, "a type, tag or field has an invalid name",
			"choose another name: a single word; a tag cannot be called name, and each tag is listed once"},
		{schema.RuleMissingKey, Error, "a required part is missing",
			"add it: a type needs path, tags and schema; a field needs a default; json_schema needs base_path and rules, and each of its rules schema and selector"},
		{schema.RuleUnknownKey, Warning, "a key is unknown; its value has no effect",
			"correct its spelling, or remove it"},
		{schema.RuleUnquoted, Warning, "the default of a field of type any is a string in confctl, but a boolean or a number in YAML 1.1, which the Python tool reads",
			"quote it, or write true, false or null"},
		{schema.RuleType, Error, "a field has an unknown type",
			"use one of string, int, bool, list, dict, enum:a|b, cidr_list and any"},
		{schema.RuleDefault, Error, "the default of a field is not a value of its type",
			"change the default or the type"},
		{schema.RulePath, Error, "the path of a type is invalid, or overlaps the path of another type",
			"give each type its own path, not below that of another type"},
		{schema.RuleDepends, Error, "a type depends on one that does not exist",
			"correct the name in depends, or remove it"},
		{schema.RuleLoop, Error, "types depend on each other, so their objects cannot be created in any order",
			"remove one of them from the depends of another"},
		{schema.RuleSelector, Error, "a selector is invalid, or names a tag that the type does not have",
			"write TAG=REGEX,... with the tags of the type, or name for the name of the object"},
		{RuleNeverMatches, Error, "the selector of a JSON schema cannot match any object",
			"correct the regular expression: it must match a whole tag value or name, which is not empty and contains no blank and no slash"},
		{schema.RuleRegex, Warning, "a part of a regular expression has different meanings in RE2, which confctl uses, and in Python",
			"write it in a form that means the same in both"},
		{schema.RuleRegexASCII, Note, "a part of a regular expression matches only ASCII in RE2, which confctl uses, but all of Unicode in Python",
			"if all values are ASCII, ignore this; otherwise list the characters, or use a class such as \\pL"},
		{RuleNetwork, Warning, "a network in the default of a cidr_list is written in an unusual form",
			"write the network as the message shows it, unless all readers accept this form"},
	}
}

func jsonSchemaRules() []Rule {
	return []Rule{
		{schema.RuleJSONMissing, Error, "a JSON schema does not exist, cannot be read, or is on the network",
			"correct the name, or create the file: a JSON schema can only refer to files beside it"},
		{schema.RuleJSONInvalid, Error, "a file is not a valid JSON schema",
			"correct what the message names; the draft in $schema defines what is allowed"},
		{schema.RuleJSONTooLarge, Error, "a JSON schema is too large or too deep, or takes too long to compile or to check objects with",
			"simplify it: a part that refers twice to another part doubles the work, and such references multiply"},
		{schema.RuleJSONPattern, Error, "a JSON schema has a regular expression that RE2 does not support",
			"write it without look-around ((?=, (?!, (?<= and (?<!) and without back-references such as \\1"},
		{schema.RuleJSONFormat, Warning, "a JSON schema has a format, or a default does not match it; like the Python tool, confctl does not enforce formats",
			"to refuse values, add a pattern beside the format"},
		{RuleMapped, Note, "JSON schemas are read from beside the schema, not from the absolute path that it names",
			"if they are elsewhere, name their directory"},
		{RuleJSONDefault, Warning, "a JSON schema refuses new objects, whose fields have their defaults",
			"give the field a default that the JSON schema accepts, or make the JSON schema accept the default"},
		{RuleJSONUnused, Warning, "a file looks like a JSON schema, but is not used",
			"name it in a rule of json_schema, or remove it"},
		{RuleSelectsNothing, Warning, "a JSON schema applies to none of the declared objects",
			"correct the selector, or remove the rule"},
	}
}

func safetyRules() []Rule {
	return []Rule{
		{safety.RuleInvalid, Error, "a safety rule is invalid, or cannot apply to its type; until it is corrected, changes that remove capacity from the type are refused",
			"correct the rule as the message says; docs/safety.md describes all rules"},
		{safety.RuleUnknownType, Error, "safety rules are declared for a type that does not exist",
			"correct the name of the type, or remove its rules"},
		{safety.RuleNeverMatches, Error, "the selector only of a safety rule cannot match any object",
			"correct the regular expression: it must match a whole tag value, which is not empty and contains no blank and no slash"},
		{safety.RuleSelectsNothing, Warning, "the selector only of a safety rule matches none of the declared objects, so the rule protects nothing",
			"correct only, or remove the rule"},
		{safety.RuleUnreachableFloor, Warning, "a group has fewer members than must keep serving, so none can ever be depooled",
			"lower at_least, or exclude the group from the rule with only"},
		{safety.RuleMaxWithoutMin, Warning, "max-pooled and the built-in min-pooled together prevent moving a service",
			"set mode: warn for max-pooled, so that the new side can be pooled before the old one is depooled"},
		{safety.RuleDefaultsServe, Error, "more objects would serve when they are created than max-pooled allows, so sync cannot create them",
			"give pooled a default that is not serving, or raise at_most"},
	}
}

func readerRules() []Rule {
	return []Rule{
		{readers.RuleInvalid, Error, "a reader is invalid, or cannot be used for its type; it would not be checked",
			"correct it as the message says; docs/readers.md describes all kinds"},
		{readers.RuleSwapped, Warning, "the same network is declared for different places of two name servers",
			"correct the wrong one: the network of an address decides which place the answer means"},
	}
}

func dataRules() []Rule {
	return []Rule{
		{seed.RuleShape, Error, "a part of a data file is not the map or list that is expected",
			"write it as the message says; until then, no object of the type is created or removed"},
		{seed.RuleNull, Error, "a data file has an empty value where a map or list is expected",
			"add the value, or remove the key"},
		{seed.RuleService, Error, "a host has a string where the list of its services is expected",
			"put it in brackets"},
		{seed.RuleName, Error, "a string is not a valid name or tag value",
			"correct it: a name has at most 253 bytes, and no slash, blank or control character"},
		{seed.RuleEmpty, Error, "a data file declares no objects, which is treated as a mistake",
			"delete the file if it has nothing to declare; until then, no object of the type is removed"},
		{seed.RuleFile, Error, "an entry in the directory of a type looks like a data file, but is not read",
			"make it a regular file whose name ends in .yaml or .yml, or remove it; until then, no object of the type is removed"},
		{seed.RuleDuplicate, Warning, "an object is declared twice",
			"remove one of the declarations; the object exists until both are removed"},
		{seed.RuleIgnored, Warning, "a file or directory in the data directory is not read",
			"if it declares objects, move it to the directory of a type, with a name that ends in .yaml or .yml; otherwise remove it"},
		{seed.RuleDirectory, Error, "a directory with data files is not named after a type; nothing in it is read",
			"rename it to its type, or declare the type in the schema"},
	}
}
