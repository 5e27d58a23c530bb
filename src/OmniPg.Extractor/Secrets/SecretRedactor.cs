using System.Text;
using OmniPg.Extractor.Splitting;

namespace OmniPg.Extractor.Secrets;

/// <summary>Replaces passwords in definitions by <c>********</c> and puts them back on demand.</summary>
internal static class SecretRedactor
{
    public const string Mask = "********";

    public static bool Concerns(TocKind kind) =>
        kind is TocKind.UserMapping or TocKind.Server or TocKind.ForeignDataWrapper or TocKind.ForeignTable or TocKind.Subscription;

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
            var old = DeparsedLiteral.Unquote(token.Text);
            var changed = previous.IsKeyword("CONNECTION") ? ConnectionText.Rewrite(old, replace)
                : SecretNames.Contains(previous.Text) ? replace(previous.Text, old)
                : old;
            if (changed == old)
                continue;
            result.Append(text, copied, token.Start - copied).Append(PgLiteral.Quote(changed));
            copied = token.End;
        }
        return copied == 0 ? text : result.Append(text, copied, text.Length - copied).ToString();
    }
}
