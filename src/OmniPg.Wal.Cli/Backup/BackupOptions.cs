using Npgsql;

namespace OmniPg.Wal.Cli;

/// <summary>What the verbs of base backups share: the store, the server, the exit codes.</summary>
internal static class BackupOptions
{
    public static readonly Option Source = Option.Value("--source", "DIR", "the place of the backups", "-s");
    public static readonly Option Archive = Option.Value("--archive", "DIR", "the WAL archive", "-a");
    private static readonly Option ConnectionString = Option.Value("--connection", "STRING", "the server, in the driver's words; default: OMNIPG_CONNECTION");

    public static Option Connection => ConnectionString;

    public static DirectoryObjectStore Open(Arguments arguments, Option option) => new(PathOf(arguments.Require(option)));

    public static string PathOf(string location)
    {
        try
        {
            return WalLocation.Parse(location).Path;
        }
        catch (FormatException e)
        {
            throw new UsageException(e.Message);
        }
    }

    public static string ConnectionText(Arguments arguments) => arguments.Get(ConnectionString) ?? Environment.GetEnvironmentVariable("OMNIPG_CONNECTION")
        ?? throw new UsageException($"The option {ConnectionString.Name} is required, or the variable OMNIPG_CONNECTION.");

    public static NpgsqlDataSource Connect(Arguments arguments)
    {
        var text = ConnectionText(arguments);
        try
        {
            // Without what the driver loads at the first connection: names of types that nobody asks for here.
            return new NpgsqlSlimDataSourceBuilder(text) { ConnectionStringBuilder = { Pooling = false } }.EnableTransportSecurity().Build();
        }
        catch (Exception unreadable) when (unreadable is ArgumentException or FormatException or KeyNotFoundException)
        {
            // Neither the text nor the driver's words about it: both may hold a password.
            throw new UsageException($"The option {ConnectionString.Name} is not a connection string that the driver can read.");
        }
    }

    /// <summary>Done, failed, source invalid, wrong use: no other codes, because PostgreSQL calls none of these verbs.</summary>
    public static int ExitCodeOf(Exception error) => error switch
    {
        UsageException or ArgumentException or Microsoft.Extensions.Options.OptionsValidationException => ExitCodes.WrongUse,
        WalBackupException { Code: "wal.backup.damaged" } or WalValidationException => ExitCodes.InvalidSegment,
        OmniPgException { Code: "compression.unavailable" } => ExitCodes.CodecOrKeyUnavailable,
        _ => ExitCodes.DestinationFailed,
    };
}
