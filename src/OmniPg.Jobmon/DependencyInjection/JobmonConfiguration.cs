using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace OmniPg.Jobmon;

/// <summary>Reads options from configuration without reflection. A key that is absent leaves the option as it is.</summary>
/// <remarks>By hand: the binder's generator refuses options that hold a data source (SYSLIB1100, SYSLIB1101).</remarks>
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
        Value<TimeSpan>(section, nameof(options.FlushInterval), value => options.FlushInterval = value);
        Value<TimeSpan>(section, nameof(options.HeartbeatInterval), value => options.HeartbeatInterval = value);
        Value<TimeSpan>(section, nameof(options.DeadAfter), value => options.DeadAfter = value);
        Value<TimeSpan>(section, nameof(options.ConnectTimeout), value => options.ConnectTimeout = value);
        Value<TimeSpan>(section, nameof(options.CommandTimeout), value => options.CommandTimeout = value);
        Value<TimeSpan>(section, nameof(options.PgCronStartGrace), value => options.PgCronStartGrace = value);
        Value<int>(section, nameof(options.MaxMessageBytes), value => options.MaxMessageBytes = value);
        Value<int>(section, nameof(options.MaxJobNameBytes), value => options.MaxJobNameBytes = value);
        Value<int>(section, nameof(options.MaxBufferedEvents), value => options.MaxBufferedEvents = value);
        Value<int>(section, nameof(options.MaxLogLines), value => options.MaxLogLines = value);
        Value<bool>(section, nameof(options.RelaxedStartDurability), value => options.RelaxedStartDurability = value);
        Value<bool>(section, nameof(options.PgCron), value => options.PgCron = value);
    }

    private static void Text(IConfiguration section, string key, Action<string> set)
    {
        if (section[key] is { Length: > 0 } text)
            set(text);
    }

    private static void Choice<T>(IConfiguration section, string key, Action<T> set)
        where T : struct, Enum => Text(section, key, text => set(Enum.TryParse<T>(text, ignoreCase: true, out var value) ? value : throw IsNo<T>(text, key)));

    private static void Value<T>(IConfiguration section, string key, Action<T> set)
        where T : IParsable<T> => Text(section, key, text => set(T.TryParse(text, CultureInfo.InvariantCulture, out var value) ? value : throw IsNo<T>(text, key)));

    private static InvalidOperationException IsNo<T>(string text, string key) => new($"Configuration value '{text}' of '{key}' is not a {typeof(T).Name}.");
}
