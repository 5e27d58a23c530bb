namespace OmniPg.Extractor.Secrets;

/// <summary>Which option names hold secrets: those of libpq, and what foreign-data wrappers call theirs.</summary>
internal static class SecretNames
{
    private static readonly string[] Parts = ["password", "passwd", "passcode", "passphrase", "pwd", "secret", "token", "access_key", "accesskey",
        "api_key", "apikey", "private_key", "credential"];

    public static bool Contains(string option) => Array.Exists(Parts, part => option.Contains(part, StringComparison.OrdinalIgnoreCase));
}
