using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace OmniPg;

/// <summary>One PostgreSQL identifier (schema, table, column, role …), exactly as the catalog stores it.</summary>
/// <remarks>
/// The only way from a name to SQL text in OmniPg. A name of more than 63 bytes is refused here, because the server would cut it silently
/// and then work on another object (manual: "Identifiers and Key Words").
/// </remarks>
public readonly record struct PgIdentifier : ISpanParsable<PgIdentifier>
{
    /// <summary>Longest identifier in bytes of UTF-8: NAMEDATALEN − 1 of a server built with defaults.</summary>
    public const int MaxBytes = 63;

    private readonly string? _value;

    private PgIdentifier(string value) => _value = value;

    /// <summary>The name as the catalog stores it, without quotes. Case matters.</summary>
    /// <exception cref="InvalidOperationException">This is <see langword="default"/>, which names nothing.</exception>
    public string Value => _value ?? throw new InvalidOperationException("The default PgIdentifier names nothing. Use PgIdentifier.Create.");

    /// <summary>The name between double quotes with inner quotes doubled: valid in every SQL context.</summary>
    public string Quoted => string.Concat("\"", Value.Replace("\"", "\"\"", StringComparison.Ordinal), "\"");

    /// <summary>Takes a name as the catalog stores it.</summary>
    /// <param name="name">1 to 63 bytes of UTF-8 without NUL and without unpaired surrogates; no quoting, no folding to lower case.</param>
    /// <returns>The identifier.</returns>
    /// <exception cref="ArgumentException">The name is empty, too long, or holds what no identifier can hold.</exception>
    public static PgIdentifier Create(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return WhyInvalid(name) is { } reason ? throw new ArgumentException(reason, nameof(name)) : new PgIdentifier(name);
    }

    /// <summary>Reads SQL text: a quoted name verbatim, an unquoted one folded to lower case as the server does (ASCII only).</summary>
    /// <param name="s">The text, for instance <c>orders</c> or <c>"Order Items"</c>.</param>
    /// <param name="provider">Ignored: identifiers know no culture.</param>
    /// <returns>The identifier.</returns>
    /// <exception cref="FormatException">The text is not exactly one identifier.</exception>
    public static PgIdentifier Parse(ReadOnlySpan<char> s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out var result) ? result : throw new FormatException($"'{s}' is not a PostgreSQL identifier.");

    /// <inheritdoc cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/>
    public static PgIdentifier Parse(string s, IFormatProvider? provider = null)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan(), provider);
    }

    /// <summary>Reads SQL text like <see cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/> without throwing.</summary>
    /// <param name="s">The text.</param>
    /// <param name="provider">Ignored.</param>
    /// <param name="result">The identifier, or <see langword="default"/>.</param>
    /// <returns>Whether the text is exactly one identifier.</returns>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out PgIdentifier result)
    {
        result = default;
        var read = IdentifierText.Read(s, out var name);
        if (read == 0 || read != s.Length || WhyInvalid(name) is not null)
            return false;
        result = new PgIdentifier(name);
        return true;
    }

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, IFormatProvider?, out PgIdentifier)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out PgIdentifier result) =>
        TryParse(s.AsSpan(), provider, out result);

    /// <summary>The shortest SQL text that means this name: unquoted when it is plain lower case and no key word, else <see cref="Quoted"/>.</summary>
    /// <returns>SQL text; the empty string for <see langword="default"/>.</returns>
    public override string ToString() => _value is null ? "" : IdentifierText.NeedsQuotes(_value) ? Quoted : _value;

    private static string? WhyInvalid(string name)
    {
        if (name.Length == 0)
            return "A PostgreSQL identifier is not empty.";
        if (name.Contains('\0'))
            return "A PostgreSQL identifier holds no NUL character.";
        if (!IdentifierText.IsWellFormed(name))
            return "A PostgreSQL identifier holds no unpaired surrogate.";
        var bytes = Encoding.UTF8.GetByteCount(name);
        return bytes > MaxBytes ? $"The identifier '{name}' has '{bytes}' bytes; PostgreSQL keeps '{MaxBytes}' and would cut it silently." : null;
    }
}
