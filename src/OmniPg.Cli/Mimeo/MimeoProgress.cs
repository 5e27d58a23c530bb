using System.Collections.Concurrent;
using System.Globalization;
using OmniPg.Mimeo;
using Spectre.Console;

namespace OmniPg.Cli;

/// <summary>A bar for each table that is copied, with rows, rate and the time that is left where the source's statistics know an end; nothing when nobody watches.</summary>
internal static class MimeoProgress
{
    public static Task<T> RunAsync<T>(CliSession session, Func<IProgress<CopyProgress>?, Task<T>> work)
    {
        if (session.Json || !session.Host.IsTerminal)
            return work(null);
        return session.Host.Ansi.Progress().AutoClear(true).HideCompleted(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(context => work(new Bars(context)));
    }

    /// <summary>What stands beside the bar.</summary>
    public static string Describe(CopyProgress value) => string.Create(CultureInfo.InvariantCulture,
        $"{value.Destination} {value.Rows:N0} rows, {value.Bytes >> 20} MiB, {(value.Elapsed > TimeSpan.Zero ? value.Bytes / value.Elapsed.TotalSeconds / (1 << 20) : 0):0.0} MiB/s{(value.Streams > 1 ? $", {value.Streams} streams" : "")}");

    private sealed class Bars(ProgressContext context) : IProgress<CopyProgress>
    {
        private readonly ConcurrentDictionary<QualifiedName, ProgressTask> _tables = new();

        public void Report(CopyProgress value)
        {
            var bar = _tables.GetOrAdd(value.Destination, table => context.AddTask(Markup.Escape(table.ToString())));
            bar.Description = Markup.Escape(Describe(value));
            bar.IsIndeterminate = value.EstimatedRows is null;
            bar.MaxValue = Math.Max(value.EstimatedRows ?? 1, value.Rows);
            bar.Value = value.Rows;
        }
    }
}
