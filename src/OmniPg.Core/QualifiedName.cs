using System.Diagnostics.CodeAnalysis;

namespace OmniPg;

/// <summary>Name of a schema object, with or without its schema: <c>app.events</c>, <c>"Odd".name</c>, <c>events</c>.</summary>
public readonly record struct QualifiedName : ISpanParsable<QualifiedName>
{
    /// <summary>Creates the name.</summary>
    /// <param name="schema">The schema; <see langword="null"/> leaves the lookup to the server's <c>search_path</c>.</param>
    /// <param name="name">The object's own name.</param>
    public QualifiedName(PgIdentifier? schema, PgIdentifier name)
    {
        _ = name.Value;
        Schema = schema;
        Name = name;
    }

    /// <summary>The schema, or <see langword="null"/> when the server's <c>search_path</c> decides.</summary>
    public PgIdentifier? Schema { get; }

    /// <summary>The object's own name.</summary>
    public PgIdentifier Name { get; }

    /// <summary>Both parts quoted, joined with a dot: valid in every SQL context.</summary>
    public string Quoted => Schema is { } schema ? $"{schema.Quoted}.{Name.Quoted}" : Name.Quoted;

    /// <summary>Takes the parts as the catalog stores them.</summary>
    /// <param name="schema">Schema name, or <see langword="null"/>.</param>
    /// <param name="name">Object name.</param>
    /// <returns>The qualified name.</returns>
    /// <exception cref="ArgumentException">A part is no identifier.</exception>
    public static QualifiedName Create(string? schema, string name) =>
        new(schema is null ? null : PgIdentifier.Create(schema), PgIdentifier.Create(name));

    /// <summary>Reads SQL text: unquoted parts fold to lower case, quoted ones stay verbatim.</summary>
    /// <param name="s">The text, one or two identifiers joined with a dot.</param>
    /// <param name="provider">Ignored: identifiers know no culture.</param>
    /// <returns>The qualified name.</returns>
    /// <exception cref="FormatException">The text is not one or two identifiers.</exception>
    public static QualifiedName Parse(ReadOnlySpan<char> s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out var result) ? result : throw new FormatException($"'{s}' is not a PostgreSQL object name.");

    /// <inheritdoc cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/>
    public static QualifiedName Parse(string s, IFormatProvider? provider = null)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan(), provider);
    }

    /// <summary>Reads SQL text like <see cref="Parse(ReadOnlySpan{char}, IFormatProvider?)"/> without throwing.</summary>
    /// <param name="s">The text.</param>
    /// <param name="provider">Ignored.</param>
    /// <param name="result">The name, or <see langword="default"/>.</param>
    /// <returns>Whether the text is one or two identifiers.</returns>
    public static bool TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out QualifiedName result)
    {
        result = default;
        var first = IdentifierText.Read(s, out _);
        if (first == 0 || !PgIdentifier.TryParse(s[..first], provider, out var one))
            return false;
        if (first == s.Length)
        {
            result = new QualifiedName(null, one);
            return true;
        }
        if (s[first] != '.' || !PgIdentifier.TryParse(s[(first + 1)..], provider, out var two))
            return false;
        result = new QualifiedName(one, two);
        return true;
    }

    /// <inheritdoc cref="TryParse(ReadOnlySpan{char}, IFormatProvider?, out QualifiedName)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out QualifiedName result) =>
        TryParse(s.AsSpan(), provider, out result);

    /// <summary>The shortest SQL text that means this name.</summary>
    /// <returns>SQL text.</returns>
    public override string ToString() => Schema is { } schema ? $"{schema}.{Name}" : Name.ToString();
}
