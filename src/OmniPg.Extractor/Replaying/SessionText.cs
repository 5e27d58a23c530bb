using System.Text;
using Npgsql;

namespace OmniPg.Extractor;

/// <summary>What a tree's manifest says about the session in which its text must be run.</summary>
internal static class SessionText
{
    public const string StandardStrings = "standard_conforming_strings";

    // The only settings a manifest may name: a tree that was tampered with must not set others.
    private static readonly string[] Settings = ["lc_monetary"];

    /// <summary>Statements for the whole session.</summary>
    public static IEnumerable<string> Statements(SchemaEnvironment environment) => Settings
        .Where(environment.Session.ContainsKey)
        .Select(name => $"SET {name} = {PgLiteral.Quote(environment.Session[name])}");

    /// <summary>Whether rows that are written as INSERT hold constants with doubled backslashes.</summary>
    public static bool HasEscapedRows(SchemaEnvironment environment) => environment.Session.GetValueOrDefault(StandardStrings) == "off";

    /// <summary>PostgreSQL's name of the encoding whose bytes the text holds one by one; null for text that is decoded.</summary>
    public static string? RawEncoding(SchemaSnapshot snapshot) => snapshot.Environment.Encoding is { } name && ArchiveEncodings.IsRaw(name)
        && snapshot.Entries.Any(static entry => entry.HasData || !Ascii.IsValid(entry.Sql)) ? name : null;

    /// <summary>Lets a connection send the bytes that stand one by one in such a text.</summary>
    public static NpgsqlConnectionStringBuilder ForBytes(NpgsqlConnectionStringBuilder settings, string encoding)
    {
        (settings.Encoding, settings.ClientEncoding) = ("latin1", encoding);
        return settings;
    }
}
