namespace OmniPg.Extractor.Dumping;

/// <summary>Settings of pg_dump's session that change its text and that pg_dump itself leaves to roles and databases (setup_connection in pg_dump.c).</summary>
internal static class SessionPins
{
    // Options of the client beat ALTER ROLE … SET and ALTER DATABASE … SET (manual, section 20.1.3).
    private const string Options = "-c standard_conforming_strings=on -c quote_all_identifiers=off -c bytea_output=hex -c xmlbinary=base64 -c lc_monetary=C";

    /// <summary>What a replay needs to know: constants of type money can be read back under the same locale only.</summary>
    public static IReadOnlyDictionary<string, string> Recorded { get; } = new Dictionary<string, string> { ["lc_monetary"] = "C" };

    /// <summary>Puts the pins before the user's own options, which therefore win.</summary>
    public static void Add(Dictionary<string, string?> variables)
    {
        var own = variables.TryGetValue("PGOPTIONS", out var given) ? given : Environment.GetEnvironmentVariable("PGOPTIONS");
        variables["PGOPTIONS"] = string.IsNullOrEmpty(own) ? Options : $"{Options} {own}";
    }
}
