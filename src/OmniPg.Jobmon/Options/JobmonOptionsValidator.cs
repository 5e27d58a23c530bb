using Microsoft.Extensions.Options;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Checks every option and reports all that is wrong at once.</summary>
internal sealed class JobmonOptionsValidator : IValidateOptions<JobmonOptions>
{
    public const int MostLogLines = 10_000_000;

    public ValidateOptionsResult Validate(string? name, JobmonOptions options) =>
        Check(options) is { Count: > 0 } failures ? ValidateOptionsResult.Fail(failures) : ValidateOptionsResult.Success;

    public static List<string> Check(JobmonOptions options)
    {
        var failures = new List<string>();
        Connection(failures, nameof(options.ConnectionString), options.ConnectionString);
        Connection(failures, nameof(options.PgCronConnectionString), options.PgCronConnectionString);
        Defined(failures, nameof(options.ErrorPolicy), options.ErrorPolicy);
        Defined(failures, nameof(options.DisposeBehavior), options.DisposeBehavior);
        Defined(failures, nameof(options.Liveness), options.Liveness);
        Range(failures, nameof(options.FlushInterval), options.FlushInterval, TimeSpan.FromMilliseconds(50), TimeSpan.FromMinutes(1));
        Range(failures, nameof(options.HeartbeatInterval), options.HeartbeatInterval, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(10));
        Range(failures, nameof(options.ConnectTimeout), options.ConnectTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
        Range(failures, nameof(options.CommandTimeout), options.CommandTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5));
        Range(failures, nameof(options.MaxMessageBytes), options.MaxMessageBytes, 64, 16 * 1024 * 1024);
        Range(failures, nameof(options.MaxJobNameBytes), options.MaxJobNameBytes, 1, 2_600);
        Range(failures, nameof(options.MaxBufferedEvents), options.MaxBufferedEvents, 16, 1_000_000);
        Range(failures, nameof(options.MaxLogLines), options.MaxLogLines, 0, MostLogLines);
        Range(failures, nameof(options.PgCronStartGrace), options.PgCronStartGrace, TimeSpan.Zero, TimeSpan.FromDays(1));
        if (!options.PgCron && (options.PgCronConnectionString is not null || options.PgCronDataSource is not null))
            failures.Add("PgCronConnectionString and PgCronDataSource mean nothing while PgCron is false.");
        if (options.DeadAfter < options.HeartbeatInterval * 3)
            failures.Add($"DeadAfter '{options.DeadAfter}' must be at least three times HeartbeatInterval '{options.HeartbeatInterval}'.");
        if (options.SpoolDirectory is { } folder && (string.IsNullOrWhiteSpace(folder) || folder.Contains('\0', StringComparison.Ordinal)))
            failures.Add($"SpoolDirectory '{folder}' is not a path.");
        Identifier(failures, nameof(options.Schema), options.Schema);
        Identifier(failures, nameof(options.SideSchema), options.SideSchema ?? "");
        return failures;
    }

    private static void Range<T>(List<string> failures, string name, T value, T least, T most)
        where T : IComparable<T>
    {
        if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
            failures.Add($"{name} '{value}' must be between '{least}' and '{most}'.");
    }

    public static void Defined<T>(List<string> failures, string name, T value)
        where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
            failures.Add($"{name} '{value}' must be one of '{string.Join("', '", Enum.GetNames<T>())}'.");
    }

    private static void Connection(List<string> failures, string name, string? value)
    {
        try
        {
            _ = new NpgsqlConnectionStringBuilder(value);
        }
        catch (Exception error) when (error is ArgumentException or FormatException)
        {
            // Neither the text nor the driver's words about it: both may hold a password.
            failures.Add($"{name} is not a connection string that the driver can read.");
        }
    }

    private static void Identifier(List<string> failures, string name, string? value)
    {
        if (value is null)
            return;
        try
        {
            PgIdentifier.Create(value);
        }
        catch (ArgumentException error)
        {
            failures.Add($"{name} '{value}' is not a schema name: {error.Message}");
        }
    }
}
