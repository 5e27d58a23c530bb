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
}
