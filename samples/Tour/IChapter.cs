namespace Tour;

/// <summary>One part of the tour, about one package.</summary>
internal interface IChapter
{
    /// <summary>Heading.</summary>
    string Title { get; }

    /// <summary>Shows it. Starts and removes whatever it needs.</summary>
    /// <exception cref="TourException">Something was not as promised.</exception>
    Task RunAsync(Stage stage, CancellationToken cancellationToken);
}
