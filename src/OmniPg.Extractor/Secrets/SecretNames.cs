namespace OmniPg.Extractor.Secrets;

/// <summary>Which option names hold secrets: those of libpq, and what foreign-data wrappers call theirs.</summary>
internal static class SecretNames
{
    private static readonly string[] Parts = ["password", "passwd", "passcode", "passphrase", "pwd", "secret", "token", "access_key", "accesskey",
        "api_key", "apikey", "private_key", "credential", "scram_client_key", "scram_server_key"];

    // Settings about secrets: masked, they could not even be read back, because their wrappers expect a Boolean, a number or a path.
    private static readonly string[] SettingEnds = ["_required", "_file", "_path", "_timeout", "_ttl", "_lifetime", "_encryption"];
    private static readonly string[] SettingStarts = ["use_", "require_", "allow_", "enable_"];

    public static bool Contains(string option) => 
        Array.Exists(Parts, part => option.Contains(part, StringComparison.OrdinalIgnoreCase))
        && !Array.Exists(SettingEnds, end => option.EndsWith(end, StringComparison.OrdinalIgnoreCase))
        && !Array.Exists(SettingStarts, start => option.StartsWith(start, StringComparison.OrdinalIgnoreCase));
}
