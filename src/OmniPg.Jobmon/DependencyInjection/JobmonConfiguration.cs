using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace OmniPg.Jobmon;

/// <summary>Reads options from configuration without reflection. A key that is absent leaves the option as it is.</summary>
internal static class JobmonConfiguration
{
    public static void Apply(IConfiguration section, JobmonOptions options)
    {
        Text(section, nameof(options.ConnectionString), value => options.ConnectionString = value);
        Text(section, nameof(options.DataSourceKey), value => options.DataSourceKey = value);
        Text(section, nameof(options.Schema), value => options.Schema = value);
        Text(section, nameof(options.SideSchema), value => options.SideSchema = value);
        Text(section, nameof(options.SpoolDirectory), value => options.SpoolDirectory = value);
        Text(section, nameof(options.ClientName), value => options.ClientName = value);
        Text(section, nameof(options.PgCronConnectionString), value => options.PgCronConnectionString = value);
        Choice<ErrorPolicy>(section, nameof(options.ErrorPolicy), value => options.ErrorPolicy = value);
        Choice<DisposeBehavior>(section, nameof(options.DisposeBehavior), value => options.DisposeBehavior = value);
        Choice<LivenessMode>(section, nameof(options.Liveness), value => options.Liveness = value);
        Time(section, nameof(options.FlushInterval), value => options.FlushInterval = value);
        Time(section, nameof(options.HeartbeatInterval), value => options.HeartbeatInterval = value);
        Time(section, nameof(options.DeadAfter), value => options.DeadAfter = value);
        Time(section, nameof(options.ConnectTimeout), value => options.ConnectTimeout = value);
        Time(section, nameof(options.CommandTimeout), value => options.CommandTimeout = value);
        Time(section, nameof(options.PgCronStartGrace), value => options.PgCronStartGrace = value);
        Number(section, nameof(options.MaxMessageBytes), value => options.MaxMessageBytes = value);
        Number(section, nameof(options.MaxJobNameBytes), value => options.MaxJobNameBytes = value);
        Number(section, nameof(options.MaxBufferedEvents), value => options.MaxBufferedEvents = value);
        Number(section, nameof(options.MaxLogLines), value => options.MaxLogLines = value);
        Flag(section, nameof(options.RelaxedStartDurability), value => options.RelaxedStartDurability = value);
        Flag(section, nameof(options.PgCron), value => options.PgCron = value);
    }

    private delegate bool Parser<T>(string text, out T value);

    private static void Text(IConfiguration section, string key, Action<string> set)
    {
        if (section[key] is { Length: > 0 } text)
            set(text);
    }

    private static void Choice<T>(IConfiguration section, string key, Action<T> set)
        where T : struct, Enum => Parsed(section, key, static (string text, out T value) => Enum.TryParse(text, ignoreCase: true, out value), set);

    private static void Flag(IConfiguration section, string key, Action<bool> set) =>
        Parsed(section, key, static (string text, out bool value) => bool.TryParse(text, out value), set);

    private static void Time(IConfiguration section, string key, Action<TimeSpan> set) =>
        Parsed(section, key, static (string text, out TimeSpan value) => TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out value), set);

    private static void Number(IConfiguration section, string key, Action<int> set) =>
        Parsed(section, key, static (string text, out int value) => int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out value), set);

    private static void Parsed<T>(IConfiguration section, string key, Parser<T> parse, Action<T> set) => Text(section, key, text =>
        set(parse(text, out var value) ? value : throw new InvalidOperationException($"Configuration value '{text}' of '{key}' is not a {typeof(T).Name}.")));
}
