using System.Text;

namespace OmniPg.Extractor;

/// <summary>Replaces passwords in definitions by <c>********</c> and puts them back on demand.</summary>
internal static class SecretRedactor
{
    public const string Mask = "********";

    // Option names that hold secrets: those of libpq, and what foreign-data wrappers call theirs.
    private static readonly string[] Parts = ["password", "passwd", "passcode", "passphrase", "pwd", "secret", "token", "access_key", "accesskey",
        "api_key", "apikey", "private_key", "credential", "scram_client_key", "scram_server_key"];

    // Settings about secrets: masked, they could not even be read back, because their wrappers expect a Boolean, a number or a path.
    private static readonly string[] SettingEnds = ["_required", "_file", "_path", "_timeout", "_ttl", "_lifetime", "_encryption"];
    private static readonly string[] SettingStarts = ["use_", "require_", "allow_", "enable_"];

    public static bool Concerns(TocKind kind) =>
        kind is TocKind.UserMapping or TocKind.Server or TocKind.ForeignDataWrapper or TocKind.ForeignTable or TocKind.Subscription;

    /// <summary>Whether an option of this name holds a secret.</summary>
    public static bool IsSecret(string option) =>
        Array.Exists(Parts, part => option.Contains(part, StringComparison.OrdinalIgnoreCase))
        && !Array.Exists(SettingEnds, end => option.EndsWith(end, StringComparison.OrdinalIgnoreCase))
        && !Array.Exists(SettingStarts, start => option.StartsWith(start, StringComparison.OrdinalIgnoreCase));

    /// <returns>The text without secrets; the same instance when it holds none.</returns>
    public static string Redact(string definition) => Rewrite(definition, static (_, _) => Mask);

    /// <summary>Names of the masked options in a text, in order.</summary>
    public static IReadOnlyList<string> MaskedOptions(string text)
    {
        var found = new List<string>();
        Rewrite(text, (option, value) =>
        {
            if (value == Mask)
                found.Add(option);
            return value;
        });
        return found;
    }

    /// <summary>Puts values in the place of masks, in the order of <see cref="MaskedOptions"/>.</summary>
    public static string Restore(string text, IReadOnlyList<string> values)
    {
        var next = 0;
        return Rewrite(text, (_, value) => value == Mask ? values[next++] : value);
    }

    // OPTIONS ( name 'value' ) pairs, and CONNECTION 'name=value …'.
    private static string Rewrite(string text, Func<string, string, string> replace)
    {
        var result = new StringBuilder();
        var copied = 0;
        var reader = new SqlTokenReader(text);
        SqlToken previous = default;
        for (var token = reader.Next(); token.Kind != SqlTokenKind.End; previous = token, token = reader.Next())
        {
            if (token.Kind != SqlTokenKind.Literal || !previous.IsName)
                continue;
            var old = Unquote(token.Text);
            var changed = previous.IsKeyword("CONNECTION") ? ConnectionText.Rewrite(old, replace)
                : IsSecret(previous.Text) ? replace(previous.Text, old)
                : old;
            if (changed == old)
                continue;
            result.Append(text, copied, token.Start - copied).Append(PgLiteral.Quote(changed));
            copied = token.End;
        }
        return copied == 0 ? text : result.Append(text, copied, text.Length - copied).ToString();
    }

    // String constants as the server writes them: '…', with E'…' when a backslash is inside.
    private static string Unquote(string literal)
    {
        var escapes = literal[0] is 'E' or 'e';
        var start = escapes ? 2 : 1;
        var text = new StringBuilder(literal.Length);
        for (var at = start; at < literal.Length - 1; at++)
        {
            // Only doubled quotes and doubled backslashes occur in text that the server deparsed.
            if ((literal[at] == '\'' || (escapes && literal[at] == '\\')) && at + 1 < literal.Length - 1)
                at++;
            text.Append(literal[at]);
        }
        return text.ToString();
    }

    /// <summary>libpq connection strings, in the keyword form and as URI, with their secrets replaced.</summary>
    private static class ConnectionText
    {
        public static string Rewrite(string connection, Func<string, string, string> replace) =>
            connection.Contains("://", StringComparison.Ordinal) ? RewriteUri(connection, replace) : RewriteKeywords(connection, replace);

        private static string RewriteKeywords(string text, Func<string, string, string> replace)
        {
            var result = new StringBuilder();
            var at = 0;
            while (at < text.Length)
            {
                var equals = text.IndexOf('=', at);
                if (equals < 0)
                    break;
                var name = text[at..equals].Trim();
                var start = equals + 1;
                while (start < text.Length && char.IsWhiteSpace(text[start]))
                    start++;
                var (value, end) = ReadValue(text, start);
                var changed = SecretRedactor.IsSecret(name) ? replace(name, value) : value;
                result.Append(text, at, start - at).Append(changed == value ? text[start..end] : QuoteValue(changed));
                at = end;
            }
            return result.Append(text, at, text.Length - at).ToString();
        }

        private static (string Value, int End) ReadValue(string text, int start)
        {
            var value = new StringBuilder();
            var quoted = start < text.Length && text[start] == '\'';
            var at = quoted ? start + 1 : start;
            for (; at < text.Length; at++)
            {
                if (quoted ? text[at] == '\'' : char.IsWhiteSpace(text[at]))
                    break;
                if (text[at] == '\\' && at + 1 < text.Length)
                    at++;
                value.Append(text[at]);
            }
            return (value.ToString(), quoted && at < text.Length ? at + 1 : at);
        }

        private static string QuoteValue(string value)
        {
            var plain = value.Length > 0 && value.All(static c => char.IsLetterOrDigit(c) || c is '*' or '_' or '-' or '.' or '/');
            return plain ? value : "'" + value.Replace("\\", @"\\", StringComparison.Ordinal).Replace("'", @"\'", StringComparison.Ordinal) + "'";
        }

        // scheme://user:secret@host/database?password=secret
        private static string RewriteUri(string text, Func<string, string, string> replace)
        {
            var authority = text.IndexOf("://", StringComparison.Ordinal) + 3;
            var path = text.IndexOfAny(['/', '?'], authority);
            var at = text.LastIndexOf('@', (path < 0 ? text.Length : path) - 1);
            var colon = at < authority ? -1 : text.IndexOf(':', authority, at - authority);
            if (colon >= 0)
                text = text[..(colon + 1)] + Encode(Uri.UnescapeDataString(text[(colon + 1)..at]), replace, "password") + text[at..];
            var query = text.IndexOf('?', StringComparison.Ordinal);
            if (query < 0)
                return text;
            var parameters = text[(query + 1)..].Split('&').Select(parameter =>
            {
                var equals = parameter.IndexOf('=', StringComparison.Ordinal);
                var name = equals < 0 ? parameter : parameter[..equals];
                return equals >= 0 && SecretRedactor.IsSecret(name)
                    ? $"{name}={Encode(Uri.UnescapeDataString(parameter[(equals + 1)..]), replace, name)}"
                    : parameter;
            });
            return text[..(query + 1)] + string.Join('&', parameters);
        }

        private static string Encode(string value, Func<string, string, string> replace, string name)
        {
            var changed = replace(name, value);
            return changed == SecretRedactor.Mask ? changed : Uri.EscapeDataString(changed);
        }
    }
}
