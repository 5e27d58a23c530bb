using Npgsql;
using OmniPg.Jobmon;

namespace EtlJob;

/// <summary>CSV in, table out: once with the <c>using</c> pattern, once with <c>RunAsync</c>.</summary>
internal static class Etl
{
    private const string LoadJob = "load orders";
    private const string RefreshJob = "refresh daily totals";

    /// <summary>Returns the exit code of the check: 0 when all went well, 2 when a job failed.</summary>
    public static async Task<int> RunAsync(NpgsqlDataSource dataSource, string file, CancellationToken cancellationToken)
    {
        await using var jobmon = JobmonClient.Create(dataSource);
        await jobmon.Admin.InstallAsync(cancellationToken: cancellationToken);
        foreach (var name in new[] { LoadJob, RefreshJob })
            await jobmon.Admin.Check(name).Warn("26 hours").Error("30 hours").ActivateAsync(cancellationToken);
        await PrepareAsync(dataSource, cancellationToken);

        try
        {
            Load(jobmon, dataSource, file);
            await RefreshAsync(jobmon, dataSource, cancellationToken);
        }
        catch (Exception error) when (error is FormatException or NpgsqlException)
        {
            await Console.Error.WriteLineAsync($"The ETL failed: {error.Message}");
        }

        await Report.ShowAsync(jobmon, [LoadJob, RefreshJob], cancellationToken);
        var nagios = (await jobmon.Monitor.CheckAsync(cancellationToken: cancellationToken)).ToNagios();
        Console.WriteLine(nagios.Output);
        return nagios.ExitCode;
    }

    private static void Load(JobmonClient jobmon, NpgsqlDataSource dataSource, string file)
    {
        using var job = jobmon.Job(LoadJob).SingleInstance(OnConflict.Throw).Argument("file", file).Start();
        long total;
        using (var count = job.Step("count rows"))
        {
            total = OrdersFile.CountRows(file);
            count.Complete($"Rows in file: {total}");
        }

        using (var step = job.Step("copy into table orders"))
        {
            using var connection = dataSource.OpenConnection();
            job.Attach(connection);
            using var copy = connection.BeginBinaryImport("COPY orders (id, customer, day, amount) FROM STDIN (FORMAT binary)");
            foreach (var order in OrdersFile.Read(file).WithProgress(step, total, "rows"))
            {
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

    private static async Task PrepareAsync(NpgsqlDataSource dataSource, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            """
            CREATE TABLE IF NOT EXISTS orders (id int PRIMARY KEY, customer text NOT NULL, day date NOT NULL, amount numeric NOT NULL);
            CREATE TABLE IF NOT EXISTS daily_totals (day date PRIMARY KEY, amount numeric NOT NULL);
            TRUNCATE orders;
            """);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
