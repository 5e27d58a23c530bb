using System.Globalization;
using Npgsql;

namespace OmniPg.Wal.Cli;

/// <summary>What the verbs of base backups share: the store, the server, the exit codes.</summary>
internal static class BackupOptions
{
    public static readonly Option Source = Option.Value("--source", "PLACE", "the place of the backups: a directory, s3://BUCKET/PREFIX or azure://CONTAINER/PREFIX", "-s");
    public static readonly Option Archive = Option.Value("--archive", "PLACE", "the WAL archive: a directory, s3://… or azure://…", "-a");
    private static readonly Option ConnectionString = Option.Value("--connection", "STRING", "the server, in the driver's words; default: OMNIPG_CONNECTION");

    private static readonly Option Host = Option.Value("--host", "HOST", "the server by its host or socket directory, in place of --connection (default: PGHOST, else /var/run/postgresql)", "-h");
    private static readonly Option Port = Option.Value("--port", "PORT", "its port (default: PGPORT, else 5432)", "-p", "-P");
    private static readonly Option User = Option.Value("--username", "NAME", "the role (default: PGUSER, else the account)", "-U");
    private static readonly Option Database = Option.Value("--database", "NAME", "the database to connect to (default: postgres)", "-d");

    public static Option Connection => ConnectionString;

    /// <summary>The server as the original's programs name it.</summary>
    public static Option[] ServerWords => [Host, Port, User, Database];

    public static IObjectStore Open(Arguments arguments, Option option, ProgramContext context) => StoreOptions.Open(PlaceOf(arguments.Require(option)), arguments, context.Logs);

    /// <summary>The same, to read only, whatever tool archived there.</summary>
    public static IObjectStore OpenToRead(Arguments arguments, Option option, ProgramContext context) => StoreOptions.OpenToRead(PlaceOf(arguments.Require(option)), arguments, context.Logs);

    public static IObjectStore? OpenIfGiven(Arguments arguments, Option option, ProgramContext context) => arguments.Has(option) ? OpenToRead(arguments, option, context) : null;

    /// <summary>A place without the codec that may stand before it; a folder by its full path.</summary>
    public static string PlaceOf(string location)
    {
        try
        {
            var place = WalLocation.Parse(location).Path;
            return StoreOptions.IsRemote(place) ? place : Path.GetFullPath(place);
        }
        catch (FormatException e)
        {
            throw new UsageException(e.Message);
        }
    }

    public static string ConnectionText(Arguments arguments) => ConnectionWords(arguments) ?? arguments.Get(ConnectionString) ?? Environment.GetEnvironmentVariable("OMNIPG_CONNECTION")
        ?? throw new UsageException($"The option {ConnectionString.Name} is required, or the variable OMNIPG_CONNECTION.");

    private static string? ConnectionWords(Arguments arguments)
    {
        if (Array.Find(ServerWords, arguments.Has) is not { } given)
            return null;
        if (arguments.Has(ConnectionString))
            throw new UsageException($"The options {ConnectionString.Name} and {given.Name} name the server both: leave one of them out.");
        if (Variable("OMNIPG_CONNECTION") is not null)
            throw new UsageException($"The variable OMNIPG_CONNECTION and {given.Name} name the server both: unset the one, or leave the other out.");
        var words = new NpgsqlConnectionStringBuilder
        {
            Host = arguments.Get(Host) ?? Variable("PGHOST") ?? "/var/run/postgresql",
            Database = arguments.Get(Database) ?? "postgres",
        };
        if (arguments.Integer(Port, 1) is { } port)
            words.Port = port;
        else if (int.TryParse(Variable("PGPORT"), NumberStyles.None, CultureInfo.InvariantCulture, out var usual))
            words.Port = usual;
        if (arguments.Get(User) is { } user)
            words.Username = user;
        return words.ConnectionString;

        static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
    }

    /// <summary>Where the programs of the server lie, by the environment; null where it does not say.</summary>
    public static string? ProgramFolder => Environment.GetEnvironmentVariable("OMNIPG_PGBIN") is { Length: > 0 } folder ? folder : null;

    /// <summary>The password in the connection string, which the driver does not tell again; null where there is none.</summary>
    public static string? PasswordOf(Arguments arguments) => new NpgsqlConnectionStringBuilder(ConnectionText(arguments)).Password;

    public static NpgsqlDataSource Connect(Arguments arguments) => Connect(ConnectionText(arguments));

    /// <summary>The server of a connection string that the option holds, or the environment.</summary>
    public static NpgsqlDataSource Connect(string text)
    {
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

    /// <summary>The server where one may be named: null when neither the option nor the environment does.</summary>
    public static NpgsqlDataSource? ConnectIfGiven(Arguments arguments) =>
        arguments.Has(Connection) || !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("OMNIPG_CONNECTION")) ? Connect(arguments) : null;

    /// <summary>Done, failed, source invalid, no codec or key, wrong use: no other codes, because PostgreSQL calls none of these verbs.</summary>
    public static int ExitCodeOf(Exception error) => error switch
    {
        UsageException or ArgumentException or Microsoft.Extensions.Options.OptionsValidationException => ExitCodes.WrongUse,
        WalBackupException { Code: "wal.backup.damaged" } or WalValidationException => ExitCodes.InvalidSegment,
        OmniPgException known when ExitCodes.Of(known.Code) == ExitCodes.CodecOrKeyUnavailable => ExitCodes.CodecOrKeyUnavailable,
        _ => ExitCodes.DestinationFailed,
    };
}
