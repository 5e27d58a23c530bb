using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace OmniPg.Shared.Tests;

public sealed class OptionsCheckTests
{
    private static readonly string[] EveryFailure =
    [
        "Count '11' must be between '1' and '10'.",
        "Timeout '00:00:00' must be at least '00:00:01'.",
        "Grace '-00:00:01' must not be negative.",
        "Limit '00:00:00' must be positive.",
        "Age '-1 days' must not be negative.",
        "Kind '9' must be one of 'First', 'Second'.",
        "Title ' ' must not be empty.",
        "Folder '' is not a path.",
        $"Schema '{new string('x', 64)}' is not a schema name: The identifier '{new string('x', 64)}' has '64' bytes; PostgreSQL keeps '63' and would cut it silently.",
        "Server is not a connection string that the driver can read.",
        "Part: Count '0' must be between '1' and '10'.",
        "Part: Title '' must not be empty.",
        "Part: Part must not be null.",
        "Grace and Limit go together.",
    ];

    [Fact]
    public void Everything_wrong_is_told_at_once_where_the_options_are_taken()
    {
        var error = FluentActions.Invoking(() => OptionsCheck.Require(AllWrong(), "second")).Should().Throw<OptionsValidationException>().Which;

        error.Failures.Should().Equal(EveryFailure);
        error.OptionsName.Should().Be("second");
        error.OptionsType.Should().Be<SomeOptions>();
        error.ToString().Should().NotContain("s3cret");
    }

    [Fact]
    public async Task The_same_is_told_when_the_host_starts()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        OptionsCheck.Add<SomeOptions>(builder.Services, "second").Configure(AllWrong);
        OptionsCheck.Add<SomeOptions>(builder.Services, "").Configure(options => (options.Title, options.Part) = ("fine", null));
        using var host = builder.Build();

        var error = (await host.Awaiting(h => h.StartAsync(TestContext.Current.CancellationToken)).Should().ThrowAsync<OptionsValidationException>()).Which;

        error.Failures.Should().Equal(EveryFailure);
        error.OptionsName.Should().Be("second");
    }

    [Fact]
    public void Options_at_the_edges_are_taken_as_they_are()
    {
        var options = new SomeOptions
        {
            Count = 10, Timeout = TimeSpan.FromSeconds(1), Grace = TimeSpan.Zero, Limit = TimeSpan.FromTicks(1), Age = PgInterval.Zero, Kind = SomeKind.Second,
            Title = "x", Folder = "/x", Schema = new string('x', 63), Server = "Host=x", Part = new SomeOptions { Title = "y", Part = null },
        };

        OptionsCheck.Require(options).Should().BeSameAs(options);
    }

    [Fact]
    public void No_options_are_a_missing_argument()
    {
        FluentActions.Invoking(() => OptionsCheck.Require<SomeOptions>(null!)).Should().Throw<ArgumentNullException>().WithParameterName("options");
    }

    private static SomeOptions AllWrong()
    {
        var options = new SomeOptions();
        AllWrong(options);
        return options;
    }

    private static void AllWrong(SomeOptions options)
    {
        (options.Count, options.Timeout, options.Grace) = (11, TimeSpan.Zero, TimeSpan.FromSeconds(-1));
        (options.Limit, options.Age, options.Kind) = (TimeSpan.Zero, PgInterval.OfDays(-1), (SomeKind)9);
        (options.Title, options.Folder, options.Schema) = (" ", "", new string('x', 64));
        (options.Server, options.Pair) = ("Host=a;Password=;s3cret", false);
        options.Part = new SomeOptions { Count = 0, Title = "", NeedsPart = true };
    }

    private enum SomeKind
    {
        First,
        Second,
    }

    private sealed class SomeOptions : ICheckedOptions
    {
        public int Count { get; set; } = 5;

        public TimeSpan? Timeout { get; set; }

        public TimeSpan? Grace { get; set; }

        public TimeSpan? Limit { get; set; }

        public PgInterval? Age { get; set; }

        public SomeKind? Kind { get; set; }

        public string? Title { get; set; }

        public string? Folder { get; set; }

        public string? Schema { get; set; }

        public string? Server { get; set; }

        public bool Pair { get; set; } = true;

        public bool NeedsPart { get; set; }

        public SomeOptions? Part { get; set; }

        void ICheckedOptions.Check(OptionsCheck check)
        {
            check.Range(Count, 1, 10);
            check.AtLeast(Timeout, TimeSpan.FromSeconds(1));
            check.NotNegative(Grace);
            check.Positive(Limit);
            check.NotNegative(Age);
            check.Defined(Kind);
            check.NotEmpty(Title);
            check.Path(Folder);
            check.Identifier(Schema, "schema");
            check.ConnectionString(Server);
            if (Part is not null || NeedsPart)
                check.Inner(Part);
            check.That(Pair, "Grace and Limit go together.");
        }
    }
}
