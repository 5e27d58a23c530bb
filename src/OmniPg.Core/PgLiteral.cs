namespace OmniPg;

/// <summary>String constants in SQL text, for SQL that is shown or kept. Values of statements that are run are parameters.</summary>
public static class PgLiteral
{
    /// <summary>
    /// The constant as <c>quote_literal()</c> writes it: <c>'it''s'</c>, and with a backslash inside <c>E'a\\b'</c>, which means the same
    /// whatever <c>standard_conforming_strings</c> is.
    /// </summary>
    /// <param name="value">The text; it must hold no NUL, which no PostgreSQL text can.</param>
    public static string Quote(string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        var quoted = value.Replace("'", "''", StringComparison.Ordinal);
        return quoted.Contains('\\', StringComparison.Ordinal)
            ? $"E'{quoted.Replace("\\", "\\\\", StringComparison.Ordinal)}'"
            : $"'{quoted}'";
    }
}
