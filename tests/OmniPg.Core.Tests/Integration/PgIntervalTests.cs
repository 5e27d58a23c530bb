using Npgsql;
using NpgsqlTypes;
using OmniPg.Testing;

namespace OmniPg.Core.Tests.Integration;

/// <summary>The server is the authority on what an interval's text means and on what adding one gives.</summary>
public sealed class PgIntervalTests(PgClusterFixture fixture)
{
    private static readonly string[] Texts =
    [
        "1 day", "26 hours", "1 year 2 mons -3 days 04:05:06.789", "@ 1 year 2 mons", "1 day ago", "@ 3 hours 20 mins ago", "-1 days +02:03:00", "00:00:00",
        "1.5 months", "1.5 days", "1.5 weeks", "2.5 years", "1.25 hours", "0.1 mins", "1.000001 s", "1.5 decades", "P1Y2M3DT4H5M6S", "P1W", "PT", "PT1.5S",
        "P-1Y2M", "P0.5D", "1-2", "-1-2", "1-2 3 4:05:06", "100", "1 day 30", "-30", "15:30", "15:30.25", "-04:05:06", "838:59:59", "1 c", "2 millennia",
        "3 milliseconds", "5 microseconds", "1y", "1mon", "7 d", "1 H", "+5 min", "1 day -1 hour", "1 century 1 decade", ".5 h", "1. day", "1 day 12",
        "-0.000001 s", "2147483647 mons", "1 mil",
    ];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string> Readable => [.. Texts];

    [Theory]
    [MemberData(nameof(Readable))]
    public async Task Text_means_what_it_means_to_the_server(string text)
    {
        await using var command = fixture.Cluster.DataSource.CreateCommand("SELECT $1::text::interval, ($1::text::interval)::text");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = text });
        await using var reader = await command.ExecuteReaderAsync(Token);
        await reader.ReadAsync(Token);

        var read = PgInterval.Parse(text);

        read.Should().Be(PgInterval.FromNpgsqlInterval(reader.GetFieldValue<NpgsqlInterval>(0)));
        read.ToString().Should().Be(reader.GetString(1));
        PgInterval.Parse(read.ToString()).Should().Be(read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("ago")]
    [InlineData("day")]
    [InlineData("1 fortnight")]
    [InlineData("1 day; drop table t")]
    [InlineData("P")]
    [InlineData("1 2 3")]
    [InlineData("1:60")]
    [InlineData("99999999999 years")]
    [InlineData("99999999999999999999 s")]
    [InlineData("@daily")]
    [InlineData("-.5 day")]
    [InlineData("2w3d")]
    [InlineData("1 mon 1 mon")]
    [InlineData("1 hour 02:03:04")]
    public async Task What_is_no_interval_to_the_server_is_refused(string text)
    {
        await using var command = fixture.Cluster.DataSource.CreateCommand("SELECT $1::text::interval");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = text });
        var read = async () => await command.ExecuteScalarAsync(Token);
        await read.Should().ThrowAsync<PostgresException>();

        PgInterval.TryParse(text, null, out _).Should().BeFalse();
        var parse = () => PgInterval.Parse(text);
        parse.Should().Throw<FormatException>().WithMessage($"'{text}' is not a PostgreSQL interval*");
    }

    [Theory]
    [InlineData("2026-03-28 02:30+01", "1 day", "Europe/Berlin")]
    [InlineData("2026-10-24 02:30+02", "1 day", "Europe/Berlin")]
    [InlineData("2026-10-24 02:30+02", "24 hours", "Europe/Berlin")]
    [InlineData("2026-01-31 12:00+00", "1 mon", "Europe/Berlin")]
    [InlineData("2024-02-29 12:00+00", "1 year", "America/New_York")]
    [InlineData("2026-03-08 01:30-05", "1 hour", "America/New_York")]
    [InlineData("2026-03-07 02:30-05", "1 day", "America/New_York")]
    [InlineData("2026-10-31 01:30-04", "1 day", "America/New_York")]
    [InlineData("2026-10-31 01:30-04", "1 day 1 hour", "America/New_York")]
    [InlineData("2026-04-05 00:30+11", "1 mon -3 days", "Australia/Lord_Howe")]
    [InlineData("2026-06-15 12:00+00", "-1 mon -1 days -00:00:01", "Asia/Kathmandu")]
    [InlineData("2026-10-24 01:30+01", "1 day", "Europe/Dublin")]
    [InlineData("2026-03-28 01:30+00", "1 day", "Europe/Dublin")]
    public async Task Adding_to_a_moment_gives_what_the_server_gives_in_that_zone(string start, string interval, string zone)
    {
        await using var connection = await fixture.Cluster.DataSource.OpenConnectionAsync(Token);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new NpgsqlBatchCommand("SELECT set_config('TimeZone', $1, true)") { Parameters = { new() { Value = zone } } },
                new NpgsqlBatchCommand("SELECT $1::timestamptz, $1::timestamptz + $2::interval") { Parameters = { new() { Value = DateTimeOffset.Parse(start, System.Globalization.CultureInfo.InvariantCulture).ToUniversalTime() }, new() { Value = PgInterval.Parse(interval).ToNpgsqlInterval() } } },
            },
        };
        await using var reader = await batch.ExecuteReaderAsync(Token);
        await reader.NextResultAsync(Token);
        await reader.ReadAsync(Token);

        var sum = PgInterval.Parse(interval).AddTo(reader.GetFieldValue<DateTimeOffset>(0), TimeZoneInfo.FindSystemTimeZoneById(zone));

        sum.Should().Be(reader.GetFieldValue<DateTimeOffset>(1));
    }

    [Fact]
    public void Time_spans_convert_by_days_and_time()
    {
        PgInterval interval = TimeSpan.FromHours(-26.5);

        interval.Should().Be(new PgInterval(0, -1, -9_000_000_000));
        interval.ToTimeSpan().Should().Be(TimeSpan.FromHours(-26.5));
        interval.ToString().Should().Be("-1 days -02:30:00");
        ((PgInterval)"1 mon").Estimate.Should().Be(TimeSpan.FromDays(30));
        var months = () => PgInterval.OfMonths(1).ToTimeSpan();
        months.Should().Throw<InvalidOperationException>().WithMessage("The interval '1 mon' has months*");
    }

    [Fact]
    public void Several_times_an_interval_is_each_field_several_times()
    {
        new PgInterval(1, -2, 3).Multiply(-4).Should().Be(new PgInterval(-4, 8, -12));
        new PgInterval(1, -2, 3).Negate().Should().Be(new PgInterval(-1, 2, -3));
        new PgInterval(1, 0, 0).AddTo(new DateTime(2026, 1, 31)).Should().Be(new DateTime(2026, 2, 28));
    }
}
