using System.Globalization;
using Npgsql;
using OmniPg;
using OmniPg.Jobmon;

namespace EtlJob;

/// <summary>CSV in, table out: once with the <c>using</c> pattern, once with <c>RunAsync</c>.</summary>
internal static class Etl
{
    private const string LoadJob = "load orders";
    private const string RefreshJob = "refresh daily totals";

    /// <summary>Returns the exit code of the check: 0 when all went well, 2 when a job failed or nothing could be done.</summary>
    public static async Task<int> RunAsync(NpgsqlDataSource dataSource, OrdersFile file, CancellationToken cancellationToken)
    {
        try
        {
            await using var jobmon = new JobmonClient(dataSource);
            await jobmon.Admin.InstallAsync(cancellationToken: cancellationToken);
            foreach (var name in new[] { LoadJob, RefreshJob })
                await jobmon.Admin.Rule(name).Warn("26 hours").Error("30 hours").ActivateAsync(cancellationToken);
            var began = await PrepareAsync(dataSource, cancellationToken);
            await RunJobsAsync(jobmon, dataSource, file, cancellationToken);

            await Report.ShowAsync(jobmon, began, CancellationToken.None);
            var nagios = (await jobmon.Monitor.CheckAsync(cancellationToken: CancellationToken.None)).ToNagios();
            Console.WriteLine(nagios.Output);
            return nagios.ExitCode;
        }
        catch (Exception error) when (error is OmniPgException or NpgsqlException)
        {
            await Console.Error.WriteLineAsync(error.Message);
            return 2;
        }
    }

    private static async Task RunJobsAsync(JobmonClient jobmon, NpgsqlDataSource dataSource, OrdersFile file, CancellationToken cancellationToken)
    {
        try
        {
            // On a thread of its own, because the loop never awaits: else Ctrl-C would not be heard before it ends.
            await Task.Run(() => Load(jobmon, dataSource, file, cancellationToken), CancellationToken.None);
            await RefreshAsync(jobmon, dataSource, cancellationToken);
        }
        catch (Exception error) when (error is FormatException or NpgsqlException or OperationCanceledException or JobAlreadyRunningException)
        {
            // Nothing to record: each job has logged its own failure. The report below shows it.
            await Console.Error.WriteLineAsync($"The ETL failed: {error.Message}");
        }
    }

    private static void Load(JobmonClient jobmon, NpgsqlDataSource dataSource, OrdersFile file, CancellationToken cancellationToken)
    {
        using var job = jobmon.Job(LoadJob).SingleInstance(OnConflict.Throw).Argument("file", file.Path).Start();
        long total;
        using (var count = job.Step("count rows"))
        {
            total = file.CountRows();
            count.Complete(string.Create(CultureInfo.InvariantCulture, $"Rows in file: {total}"));
        }

        using (var step = job.Step("copy into table orders"))
        {
            using var connection = dataSource.OpenConnection();
            job.Attach(connection);
            using var copy = connection.BeginBinaryImport("COPY orders (id, customer, day, amount) FROM STDIN (FORMAT binary)");
            foreach (var order in step.Each(file.Read(), total, "rows"))
            {
                cancellationToken.ThrowIfCancellationRequested();          // Ctrl-C
                job.CancellationToken.ThrowIfCancellationRequested();      // omnipg jobmon cancel
                copy.WriteRow(order.Id, order.Customer, order.Day, order.Amount);
                job.Count("rows_in");
            }

            step.Complete($"Rows affected: {copy.Complete()}");
        }

        job.Complete();
    }

    private static Task RefreshAsync(JobmonClient jobmon, NpgsqlDataSource dataSource, CancellationToken cancellationToken) =>
        jobmon.RunAsync(
            RefreshJob,
            async (job, ct) =>
            {
                await using var connection = await dataSource.OpenConnectionAsync(ct);
                await using var transaction = await connection.BeginTransactionAsync(ct);
                job.Attach(connection);
                await job.SqlStepAsync("empty daily_totals", "DELETE FROM daily_totals", connection, transaction, ct);
                await job.SqlStepAsync(
                    "sum up orders", "INSERT INTO daily_totals SELECT day, sum(amount) FROM orders GROUP BY day", connection, transaction, ct);
                await transaction.CommitAsync(ct);
            },
            cancellationToken: cancellationToken);

    /// <summary>Makes the tables, and returns the server's time: what starts from now on belongs to this program.</summary>
    private static async Task<DateTimeOffset> PrepareAsync(NpgsqlDataSource dataSource, CancellationToken cancellationToken)
    {
        await using var tables = dataSource.CreateCommand(
            """
            CREATE TABLE IF NOT EXISTS orders (id int PRIMARY KEY, customer text NOT NULL, day date NOT NULL, amount numeric NOT NULL);
            CREATE TABLE IF NOT EXISTS daily_totals (day date PRIMARY KEY, amount numeric NOT NULL);
            TRUNCATE orders;
            """);
        await tables.ExecuteNonQueryAsync(cancellationToken);
        await using var clock = dataSource.CreateCommand("SELECT clock_timestamp()");
        return (DateTime)(await clock.ExecuteScalarAsync(cancellationToken))!;
    }
}
